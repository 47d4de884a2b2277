// Opens descriptors through many different chains of calls and writes, for each, what runtime.Callers
// says of the chain at that very line. The checker compares both with what the tool saw.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

var (
	mu       sync.Mutex
	expected = map[int][]string{}
	keep     []any
)

// note records the chain of its caller under the descriptor's number.
//
//go:noinline
func note(fd int, owner any) {
	pcs := make([]uintptr, 128)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	var chain []string
	for {
		frame, more := frames.Next()
		chain = append(chain, fmt.Sprintf("%s:%d", frame.Function, frame.Line))
		if !more {
			break
		}
	}
	mu.Lock()
	defer mu.Unlock()
	expected[fd] = chain
	keep = append(keep, owner)
}

func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func openFile() { f := must(os.Open("/etc/hostname")); note(int(f.Fd()), f) }

func openRaw() {
	fd := must(syscall.Open("/etc/hostname", syscall.O_RDONLY, 0)); note(fd, nil)
}

func rawSocket() {
	fd := must(syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)); note(fd, nil)
}

func epoll() { fd := must(syscall.EpollCreate1(0)); note(fd, nil) }

func listen() {
	l := must(net.Listen("tcp", "127.0.0.1:0")); note(fdOf(l.(*net.TCPListener)), l)
}

func dial(addr string) { c := must(net.Dial("tcp", addr)); note(fdOf(c.(*net.TCPConn)), c) }

func udp() { c := must(net.ListenPacket("udp", "127.0.0.1:0")); note(fdOf(c.(*net.UDPConn)), c) }

func fdOf(c syscall.Conn) int {
	raw := must(c.SyscallConn())
	var number int
	_ = raw.Control(func(fd uintptr) { number = int(fd) })
	return number
}

// Small enough to be inlined into its callers.
func inlined() { openFile2() }
func openFile2() { f := must(os.Open("/etc/passwd")); note(int(f.Fd()), f) }

type opener interface{ open() }
type direct struct{ path string }
type wrapped struct{ inner opener }

func (d direct) open()   { f := must(os.Open(d.path)); note(int(f.Fd()), f) }
func (w *wrapped) open() { w.inner.open() }

//go:noinline
func deep(levels int, then func()) {
	if levels == 0 {
		then()
		return
	}
	deep(levels-1, then)
}

func generic[T any](value T, then func(T)) { then(value) }

func withDefer(then func()) {
	defer func() { then() }()
}

func withRecover(then func()) {
	defer func() {
		_ = recover()
		then()
	}()
	panic("on purpose")
}

func viaSort(then func()) {
	done := false
	strings.Map(func(r rune) rune {
		if !done {
			done = true
			then()
		}
		return r
	}, "abc")
}

func viaOnce(then func()) {
	var once sync.Once
	once.Do(then)
}

func main() {
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			keep = append(keep, c)
			mu.Unlock()
		}
	}()
	address := l.Addr().String()
	basics := []func(){openFile, openRaw, rawSocket, epoll, listen, func() { dial(address) }, udp, inlined,
		func() { direct{"/etc/hostname"}.open() },
		func() { (&wrapped{direct{"/etc/hostname"}}).open() },
		func() { (&wrapped{&wrapped{direct{"/etc/passwd"}}}).open() },
		func() { var o opener = &wrapped{direct{"/etc/hostname"}}; o.open() }}
	around := []func(func()){
		func(then func()) { then() },
		func(then func()) { deep(1, then) },
		func(then func()) { deep(20, then) },
		func(then func()) { generic(then, func(f func()) { f() }) },
		func(then func()) { generic(&then, func(f *func()) { (*f)() }) },
		withDefer, withRecover, viaSort, viaOnce,
		func(then func()) {
			done := make(chan bool)
			go func() { then(); done <- true }()
			<-done
		},
	}
	time.Sleep(1500 * time.Millisecond)
	// More than once: stacks that are met again are found in another way than new ones.
	for round := 0; round < 4; round++ {
		for _, wrap := range around {
			for _, basic := range basics {
				wrap(basic)
			}
		}
	}
	out := bufio.NewWriter(must(os.Create(os.Args[1])))
	mu.Lock()
	for fd, chain := range expected {
		fmt.Fprintf(out, "%d %s\n", fd, strings.Join(chain, " "))
	}
	mu.Unlock()
	_ = out.Flush()
	fmt.Println("ready")
	time.Sleep(time.Hour)
}
