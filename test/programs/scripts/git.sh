# git: init, commit, log, branches, merge, gc, clone, work trees.
# sentinel: as=root,nobody
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@example.org
export GIT_AUTHOR_DATE='1600000000 +0000' GIT_COMMITTER_DATE='1600000000 +0000' GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
git init -q -b main repo && cd repo || exit 1
for i in 1 2 3 4 5; do
	mkdir -p dir$i; seq $i 500 >dir$i/file; echo "line $i" >>log
	git add -A && git commit -q -m "commit $i"
done
git log --format='%H %s' --stat
git checkout -q -b side HEAD~2 && echo side >side && git add side && git commit -q -m side && git checkout -q main
git merge -q side -m merged && git log --graph --oneline
echo dirty >>log; git status --short; git diff; git stash -q; git status --short; git stash pop -q; cat log
git commit -q -am dirty; git tag v1; git describe; git blame -s log
git gc -q && git count-objects -v | grep -E 'in-pack|packs|^count'
git fsck && git repack -adq && git rev-parse HEAD^{tree}
cd .. && git clone -q repo copy && git -C copy log --oneline | wc -l
git clone -q --bare repo bare.git && git -C copy push -q ../bare.git main:pushed && git -C bare.git branch
cd repo && git worktree add -q ../tree side && ls ../tree && git worktree list | wc -l
git mv log log2 && git rm -q side && git commit -q -m moved && git show --stat --format=%s
git archive HEAD | tar -t | head -n 4; git grep -c 499 | head -n 3
git bisect start -q HEAD HEAD~3 && git bisect run sh -c 'test ! -e log2' | tail -n 1; git bisect reset -q
git rebase -q HEAD~1 && git cherry-pick HEAD~0 2>&1 | head -n 1; git reset -q --hard v1; git clean -fdq; git reflog | wc -l
git config user.name B; git config --get user.name; ls .git | sort
git checkout nosuch; echo "rc $?"
for i in $(seq 400); do mkdir -p many/$((i % 20)); echo $i >many/$((i % 20))/$i; done
git add many && git commit -q -m many && git status --short | wc -l && touch many/*/* && git status --short | wc -l && git ls-files | wc -l
exit 0
