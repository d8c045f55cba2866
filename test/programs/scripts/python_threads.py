# Threads: locks, conditions, queues, pools, signals and exceptions among them.
import concurrent.futures, os, queue, random, signal, socket, sys, threading, time

count, lock = 0, threading.Lock()
def add():
    global count
    for _ in range(5000):
        with lock:
            count += 1
threads = [threading.Thread(target=add) for _ in range(8)]
[t.start() for t in threads]
[t.join() for t in threads]
print("count", count)

q, results = queue.Queue(10), queue.Queue()
def consume():
    while (n := q.get()) is not None:
        results.put(n * n)
workers = [threading.Thread(target=consume) for _ in range(4)]
[w.start() for w in workers]
for n in range(500):
    q.put(n)
[q.put(None) for _ in workers]
[w.join() for w in workers]
print("squares", sum(results.get() for _ in range(500)))

barrier = threading.Barrier(5)
def meet(i):
    time.sleep(random.random() / 50)
    barrier.wait()
with concurrent.futures.ThreadPoolExecutor(5) as pool:
    list(pool.map(meet, range(5)))
    print("pool", sorted(pool.map(lambda n: n ** 2, range(5))))
event = threading.Event()
timer = threading.Timer(0.02, event.set)
timer.start()
print("event", event.wait(5), event.wait(0))
print("timeout", lock.acquire(timeout=0.01), lock.acquire(timeout=0.01))
lock.release()

got = []
signal.signal(signal.SIGUSR1, lambda *a: got.append(threading.current_thread() is threading.main_thread()))
t = threading.Thread(target=lambda: os.kill(os.getpid(), signal.SIGUSR1))
t.start(); t.join(); time.sleep(0.01)
print("signal", got)
local = threading.local()
a, b = socket.socketpair()
t = threading.Thread(target=lambda: b.sendall(b"bytes"))
t.start()
print(a.recv(5)); t.join()
r, w = os.pipe()
t = threading.Thread(target=lambda: (time.sleep(0.05), os.write(w, b"late")))
t.start()
print(os.read(r, 10)); t.join()
ids = {threading.get_native_id()}
t = threading.Thread(target=lambda: ids.add(threading.get_native_id()))
t.start(); t.join()
print("ids", len(ids), os.getpid() in ids, len(os.listdir("/proc/self/task")) in (1, 2))
deep = []
threading.stack_size(1 << 20)
def down(n):
    return n if n == 0 else down(n - 1)
t = threading.Thread(target=lambda: deep.append(down(900)))
t.start(); t.join()
print(deep)
sys.stdout.flush()
if os.fork() == 0:
    print("child has", threading.active_count(), flush=True)
    os._exit(0)
os.wait()
t = threading.Thread(target=lambda: time.sleep(60), daemon=True)
t.start()
print("leaving with a daemon thread asleep", flush=True)
