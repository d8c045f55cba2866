# subprocess in its many forms.
# sentinel: as=root,nobody exit=5
import os, signal, subprocess, sys, threading, time
run = subprocess.run
print(run(["echo", "hi"], capture_output=True))
print(run("exit 7", shell=True).returncode, run(["sh", "-c", "kill -9 $$"]).returncode)
print(run(["cat"], input=b"x" * 300000, capture_output=True).stdout == b"x" * 300000)
print(run(["sh", "-c", "echo out; echo err >&2"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout)
try:
    run(["sleep", "20"], timeout=0.1)
except subprocess.TimeoutExpired as e:
    print("timeout", e.cmd)
for bad in (["/nosuch"], ["/etc/passwd"], ["/"]):
    try:
        run(bad)
    except OSError as e:
        print(type(e).__name__, e)
try:
    run(["true"], cwd="/nosuch")
except OSError as e:
    print(e)
print(run(["pwd"], cwd="/usr", capture_output=True, text=True).stdout, run(["env"], env={"A": "1"}, capture_output=True).stdout)
p = subprocess.Popen(["python3", "-c", "import sys\nfor l in sys.stdin: print(l.upper(), end='', flush=True)"], executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
for word in ("one", "two"):
    p.stdin.write(word + "\n")
    print(p.stdout.readline().strip())
p.stdin.close()
print(p.wait())
a = subprocess.Popen(["seq", "100000"], stdout=subprocess.PIPE)
b = subprocess.Popen(["tail", "-n", "1"], stdin=a.stdout, stdout=subprocess.PIPE)
a.stdout.close()
print(b.communicate(), a.wait())
p = subprocess.Popen(["sleep", "30"], start_new_session=True)
print(os.getsid(p.pid) == p.pid, os.getpgid(p.pid) == p.pid)
p.terminate()
print(p.wait())
p = subprocess.Popen(["sh", "-c", "trap 'echo caught; exit 4' TERM; echo ready; while :; do sleep 0.02; done"], stdout=subprocess.PIPE, text=True)
p.stdout.readline()
p.send_signal(signal.SIGTERM)
print(p.communicate()[0], p.returncode)
r, w = os.pipe()
run(["sh", "-c", f"echo through >&{w}"], pass_fds=[w])
print(os.read(r, 100))
print(run(["sh", "-c", f"echo closed >&{w}"], capture_output=True).returncode)
print(run(["sh", "-c", "umask; id -u >/dev/null"], umask=0o77, capture_output=True, text=True).stdout)
print(sorted(subprocess.Popen(["sh", "-c", f"exit {i}"]).wait() for i in range(10)))
children = [subprocess.Popen(["sleep", "0.1"]) for _ in range(20)]
print([c.wait() for c in children])
def many():
    for _ in range(5):
        run(["true"], check=True)
threads = [threading.Thread(target=many) for _ in range(4)]
[t.start() for t in threads]; [t.join() for t in threads]
pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 11"], os.environ, file_actions=[(os.POSIX_SPAWN_CLOSE, 0)])
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
pid = os.fork()
if pid == 0:
    os.kill(os.getpid(), signal.SIGSTOP)
    os._exit(6)
print(os.WIFSTOPPED(os.waitpid(pid, os.WUNTRACED)[1]))
os.kill(pid, signal.SIGCONT)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
pid = os.fork()
if pid == 0:
    time.sleep(0.05)
    os._exit(2)
fd = os.pidfd_open(pid)
print(os.waitid(os.P_PIDFD, fd, os.WEXITED).si_status)
try:
    os.wait()
except ChildProcessError as e:
    print(e)
print(os.system("exit 3") >> 8)
os.execvp("sh", ["sh", "-c", "echo the end; exit 5"])
