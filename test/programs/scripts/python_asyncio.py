# asyncio: tasks, streams over TCP and Unix sockets, subprocesses, signals, executors.
import asyncio, os, signal, socket, sys

async def main():
    print(await asyncio.gather(*(asyncio.sleep(0.01 * (3 - i), i) for i in range(3))))
    async def handle(reader, writer):
        while line := await reader.readline():
            writer.write(line.upper())
            await writer.drain()
        writer.close()
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async def client(i):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        out = []
        for j in range(5):
            writer.write(f"line {i} {j}\n".encode())
            out.append(await reader.readline())
        writer.close()
        await writer.wait_closed()
        return b"".join(out)
    answers = await asyncio.gather(*(client(i) for i in range(20)))
    print(len(answers), answers[3])
    server.close()
    unix = await asyncio.start_unix_server(handle, "sock")
    reader, writer = await asyncio.open_unix_connection("sock")
    writer.write(b"x" * 30000 + b"\n")
    print("unix", len(await reader.readline()))
    writer.close()
    unix.close()
    p = await asyncio.create_subprocess_exec("sh", "-c", "cat; exit 3", stdin=-1, stdout=-1)
    print(await p.communicate(b"to cat"), p.returncode)
    ps = await asyncio.gather(*(asyncio.create_subprocess_shell(f"sleep 0.05; exit {i}") for i in range(6)))
    print(await asyncio.gather(*(p.wait() for p in ps)))
    p = await asyncio.create_subprocess_exec("sleep", "30")
    try:
        await asyncio.wait_for(p.wait(), 0.05)
    except asyncio.TimeoutError:
        p.kill()
        print("timed out", await p.wait())
    loop = asyncio.get_running_loop()
    got = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, got.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await got.wait()
    print("signal", await loop.run_in_executor(None, sum, range(1000)))
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, t): self.t = t
        def datagram_received(self, data, addr): self.t.sendto(data[::-1], addr)
    t, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setblocking(False)
    await loop.sock_connect(s, t.get_extra_info("sockname"))
    await loop.sock_sendall(s, b"datagram")
    print(await loop.sock_recv(s, 100))
    t.close()
    print((await loop.getaddrinfo("localhost", 80, type=socket.SOCK_STREAM, family=socket.AF_INET))[0][4])
    try:
        await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError as e:
        print("refused", e.errno)
asyncio.run(main())
