"""Brings the loopback interface of this network namespace up (ip from iproute2 is not on every machine)."""
import fcntl
import socket
import struct

SIOCSIFFLAGS, IFF_UP = 0x8914, 1
fcntl.ioctl(socket.socket(socket.AF_INET, socket.SOCK_DGRAM), SIOCSIFFLAGS, struct.pack("16sh", b"lo", IFF_UP))
