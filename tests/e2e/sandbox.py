#!/usr/bin/env python3
"""Runs a command as a sandbox does that stands in the way of the seccomp rung:

    sandbox.py listener CMD…   under a filter that somebody listens to already, as a kernel allows once
    sandbox.py refusing CMD…   under a filter that refuses others with a listener
"""
import ctypes
import fcntl
import os
import struct
import sys

PR_SET_NO_NEW_PRIVS, NR_SECCOMP, SET_MODE_FILTER, NEW_LISTENER = 38, 317, 1, 8
LOAD, EQUAL, ANY_OF, RETURN = 0x20, 0x15, 0x45, 0x06
ALLOW, EPERM = 0x7FFF0000, 0x00050001
NUMBER, SECOND_ARGUMENT = 0, 24   # of struct seccomp_data

FILTERS = {
    "listener": ([(RETURN, 0, 0, ALLOW)], NEW_LISTENER),
    "refusing": ([(LOAD, 0, 0, NUMBER), (EQUAL, 0, 2, NR_SECCOMP), (LOAD, 0, 0, SECOND_ARGUMENT), (ANY_OF, 1, 0, NEW_LISTENER),
                  (RETURN, 0, 0, ALLOW), (RETURN, 0, 0, EPERM)], 0),
}


def main():
    filters, flags = FILTERS[sys.argv[1]]
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in filters))
    program = struct.pack("HxxxxxxP", len(filters), ctypes.addressof(code))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        sys.exit("prctl: " + os.strerror(ctypes.get_errno()))
    listener = libc.syscall(NR_SECCOMP, SET_MODE_FILTER, flags, program)
    if listener < 0:
        sys.exit("seccomp: " + os.strerror(ctypes.get_errno()))
    if flags:
        fcntl.fcntl(listener, fcntl.F_SETFD, 0)   # it goes on listening behind the exec
    os.execvp(sys.argv[2], sys.argv[2:])


main()
