# Files, tempfile, mmap, os and signals as Python programs use them.
# sentinel: as=root,nobody
import errno, fcntl, glob, hashlib, json, locale, mmap, os, pathlib, pickle, platform, pwd, resource, select, shutil, signal, stat, struct, subprocess, sys, tempfile, time, uuid, zipfile, zlib

print(sys.version_info[:2], sys.executable, sys.argv[1:], os.getcwd() == os.path.realpath("."))
with tempfile.TemporaryDirectory() as d:
    p = pathlib.Path(d)
    (p / "a").write_text("alpha")
    (p / "b").mkdir()
    os.link(p / "a", p / "b" / "hard")
    os.symlink("a", p / "soft")
    print(sorted(x.relative_to(d).as_posix() for x in p.rglob("*")), (p / "soft").read_text(), os.stat(p / "a").st_nlink)
    os.rename(p / "a", p / "c")
    print((p / "soft").exists(), (p / "b" / "hard").read_bytes())
    shutil.copytree(p / "b", p / "copy")
    shutil.make_archive(str(p / "arch"), "zip", p / "copy")
    print(zipfile.ZipFile(p / "arch.zip").namelist())
print(os.path.exists(d))
with tempfile.TemporaryFile() as f:
    f.write(b"x" * 100000)
    f.seek(0)
    m = mmap.mmap(f.fileno(), 0)
    m[5:8] = b"abc"
    m.flush()
    print(m.find(b"abc"), len(m), os.pread(f.fileno(), 4, 4))
    m.close()
    f.truncate(10)
    print(os.fstat(f.fileno()).st_size)
anon = mmap.mmap(-1, 8192)
if os.fork() == 0:
    anon[0:5] = b"child"
    os._exit(3)
print(os.waitstatus_to_exitcode(os.wait()[1]), anon[0:5])
with open("locked", "w") as f:
    fcntl.flock(f, fcntl.LOCK_EX)
    r = subprocess.run([sys.executable, "-c", "import fcntl\ntry: fcntl.flock(open('locked'), fcntl.LOCK_EX | fcntl.LOCK_NB)\nexcept OSError as e: print(e)"], capture_output=True, text=True)
    print(r.stdout, r.stderr)
    fcntl.lockf(f, fcntl.LOCK_EX, 10, 0)
    r = subprocess.run([sys.executable, "-c", "import fcntl\nf = open('locked', 'r+')\ntry: fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 5)\nexcept OSError as e: print(e)\nfcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 10); print('beside')"], capture_output=True, text=True)
    print(r.stdout, r.stderr)
got = []
signal.signal(signal.SIGUSR1, lambda n, f: got.append(n))
signal.signal(signal.SIGALRM, lambda n, f: got.append(n))
os.kill(os.getpid(), signal.SIGUSR1)
signal.setitimer(signal.ITIMER_REAL, 0.02)
t = time.monotonic()
time.sleep(0.1)
print(got, time.monotonic() - t >= 0.1)
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
os.kill(os.getpid(), signal.SIGUSR2)
print(signal.sigpending(), signal.sigwaitinfo([signal.SIGUSR2]).si_signo, signal.sigtimedwait([signal.SIGUSR2], 0.01))
r, w = os.pipe()
os.set_blocking(r, False)
try:
    os.read(r, 1)
except BlockingIOError as e:
    print(e.errno == errno.EAGAIN)
poll = select.epoll()
poll.register(r, select.EPOLLIN)
print(poll.poll(0.01))
os.write(w, b"hello")
print(poll.poll(1) == [(r, select.EPOLLIN)], os.read(r, 99))
for call in (lambda: open("/no/such"), lambda: os.mkdir("/proc/self"), lambda: os.rmdir("/usr"), lambda: open("/usr"), lambda: os.listdir("/etc/passwd"), lambda: os.readlink("/"), lambda: os.open("x" * 300, os.O_CREAT), lambda: os.kill(99999, 0), lambda: os.execv("/etc/passwd", ["x"])):
    try:
        print(call())
    except OSError as e:
        print(type(e).__name__, e.strerror)
print(resource.getrlimit(resource.RLIMIT_CORE)[0] >= -1, pwd.getpwuid(0).pw_name, os.get_terminal_size is not None, os.isatty(0))
os.environ["NEW"] = "value"
print(subprocess.check_output("echo $NEW", shell=True), os.popen("echo popen").read())
print(stat.filemode(os.stat("/tmp").st_mode), oct(os.umask(0o22)), os.access("/etc/passwd", os.R_OK), platform.system(), platform.machine())
fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(fd, b"anonymous")
os.link(f"/proc/self/fd/{fd}", "named", src_dir_fd=os.open("/", os.O_RDONLY), follow_symlinks=True)
print(open("named").read(), sorted(os.listdir(".")))
os.setxattr("named", "user.test", b"value")
print(os.listxattr("named"), os.getxattr("named", "user.test"))
os.posix_fallocate(fd, 0, 5000)
print(os.fstat(fd).st_size, os.sendfile(os.open("sent", os.O_CREAT | os.O_WRONLY), fd, 0, 9), open("sent").read())
print(os.copy_file_range(os.open("named", os.O_RDONLY), os.open("range", os.O_CREAT | os.O_WRONLY), 9), open("range").read())
mem = os.memfd_create("m")
os.write(mem, b"in memory")
print(os.pread(mem, 99, 0), os.readlink(f"/proc/self/fd/{mem}"))
print(len(os.urandom(16)), len(os.getrandom(8)), os.sysconf("SC_PAGE_SIZE"), len(os.sched_getaffinity(0)) >= 1, os.times().elapsed > 0)
with os.scandir("/proc/self/fd") as it:
    print(all(e.is_symlink() for e in it))
print([l.split()[0] for l in open("/proc/self/status") if l.startswith(("Name", "State", "Threads"))], "[stack]" in open("/proc/self/maps").read())
sys.stdout.flush()
