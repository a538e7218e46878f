# A network with a round trip of its own: what goes to 10.9.0.2 comes back to this host from there, half a round trip later.
# Usage: reflector.py MILLISECONDS. It says "up" when it is.
import fcntl, os, struct, subprocess, sys, threading, time

delay = float(sys.argv[1]) / 2000
tun = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(tun, 0x400454CA, struct.pack('16sH', b'lag0', 0x0001 | 0x1000))  # TUNSETIFF, IFF_TUN | IFF_NO_PI
subprocess.run(['ip', 'address', 'add', '10.9.0.1/24', 'dev', 'lag0'], check=True)
subprocess.run(['ip', 'link', 'set', 'lag0', 'up'], check=True)
print('up', flush=True)

waiting = []
more = threading.Condition()


def deliver():
    while True:
        with more:
            while not waiting:
                more.wait()
            due, packet = waiting.pop(0)
        time.sleep(max(0, due - time.monotonic()))
        os.write(tun, packet)


threading.Thread(target=deliver, daemon=True).start()
while True:
    packet = os.read(tun, 65536)
    if packet[0] >> 4 != 4:
        continue
    # The sum over both addresses stays the same, and with it every checksum.
    turned = packet[:12] + packet[16:20] + packet[12:16] + packet[20:]
    with more:
        waiting.append((time.monotonic() + delay, turned))
        more.notify()
