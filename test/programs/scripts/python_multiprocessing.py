# multiprocessing by fork and by spawn: pools, queues, locks, shared memory, managers.
# sentinel: timeout=120s
import multiprocessing, multiprocessing.shared_memory, os

def square(n):
    return n * n

def fill(queue, lock, value, array):
    for i in range(50):
        with lock:
            value.value += 1
            array[i] += 1
    queue.put(os.getppid() > 0)

def shared(name):
    m = multiprocessing.shared_memory.SharedMemory(name)
    m.buf[0] = 77
    m.close()

def answer(pipe):
    pipe.send(pipe.recv().upper())

def die():
    os._exit(9)

if __name__ == "__main__":
    for method in ("fork", "spawn"):
        mp = multiprocessing.get_context(method)
        with mp.Pool(3) as pool:
            print(method, sum(pool.map(square, range(200))), pool.apply_async(square, (9,)).get(30))
        queue, lock, value, array = mp.Queue(), mp.Lock(), mp.Value("i", 0), mp.Array("i", 50)
        jobs = [mp.Process(target=fill, args=(queue, lock, value, array)) for _ in range(3)]
        [j.start() for j in jobs]
        print([queue.get(timeout=30) for _ in jobs])
        [j.join() for j in jobs]
        print(value.value, sum(array), [j.exitcode for j in jobs])
        m = multiprocessing.shared_memory.SharedMemory(create=True, size=100)
        j = mp.Process(target=shared, args=(m.name,)); j.start(); j.join()
        print("shared", m.buf[0]); m.close(); m.unlink()
        here, there = mp.Pipe()
        j = mp.Process(target=answer, args=(there,)); j.start(); here.send("hello"); print(here.recv()); j.join()
        j = mp.Process(target=die); j.start(); j.join(); print(j.exitcode)
        with mp.Manager() as manager:
            d = manager.dict()
            d["k"] = 1
            print(dict(d))
        e, s = mp.Event(), mp.Semaphore(2)
        print(s.acquire(), s.acquire(), s.acquire(timeout=0.01), e.wait(0.01))
        j = mp.Process(target=e.wait); j.start(); j.terminate(); j.join(); print(j.exitcode)
