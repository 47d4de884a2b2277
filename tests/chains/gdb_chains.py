# Run inside gdb: prints, for each descriptor that a caught system call answers, its chain of frames with
# the inlined ones, innermost first, one line a descriptor: `FD name:line name:line …`.
import gdb

CALLS = "open openat socket epoll_create1 eventfd2"


def chain():
    names = []
    frame = gdb.newest_frame()
    while frame is not None:
        # gdb guesses frames that a tail call has replaced; they are on no stack.
        if frame.type() != gdb.TAILCALL_FRAME:
            sal = frame.find_sal()
            names.append(f"{frame.name() or '?'}@{sal.line if sal.symtab else 0}")
        try:
            frame = frame.older()
        except gdb.error:
            break
    return names


def main():
    gdb.execute("set pagination off")
    gdb.execute("set print frame-arguments none")
    gdb.execute("set backtrace past-main on")
    gdb.execute("set backtrace past-entry on")
    gdb.execute("handle SIGUSR1 nostop noprint pass")
    gdb.execute(f"catch syscall {CALLS}")
    gdb.execute("catch syscall pause clock_nanosleep select pselect6")
    gdb.execute("run")
    entering = True
    with open(OUT, "w", encoding="utf-8") as out:  # noqa: F821 - set by the caller
        while gdb.selected_inferior().pid:
            call = int(gdb.parse_and_eval("$orig_rax"))
            if call in (34, 230, 270, 23):
                break
            if not entering:
                fd = int(gdb.parse_and_eval("(int)$rax"))
                if fd >= 0:
                    out.write(f"{fd}\t" + "\t".join(chain()) + "\n")
            entering = not entering
            gdb.execute("continue", to_string=True)
    gdb.execute("kill")


main()
