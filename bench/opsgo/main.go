// What ops.cc does, in Go, whose code keeps frame pointers:
//
//	ops open N       opens and closes N sockets, a thousand at a time
//	ops request N    N times: a request on a TCP connection to itself, answered in two pieces
//
// Waits for a line on standard input before it begins, prints `done` and waits for another before it ends.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
)

//go:noinline
func openSocket() int {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		panic(err)
	}
	return fd
}

func openAndClose(times int) {
	open := make([]int, 0, 1000)
	for i := 0; i < times; i++ {
		open = append(open, openSocket())
		if len(open) == cap(open) || i+1 == times {
			for _, fd := range open {
				syscall.Close(fd)
			}
			open = open[:0]
		}
	}
}

//go:noinline
func exchange(client, server net.Conn, piece []byte) {
	client.Write(piece[:16])
	io.ReadFull(server, piece[:16])
	server.Write(piece[:32])
	client.Read(piece[:16])
	io.ReadFull(client, piece[:16])
}

func requests(times int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	client, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		panic(err)
	}
	server, err := listener.Accept()
	if err != nil {
		panic(err)
	}
	piece := make([]byte, 64)
	for i := 0; i < times; i++ {
		exchange(client, server, piece)
	}
}

func main() {
	times, err := strconv.Atoi(os.Args[2])
	if err != nil {
		panic(err)
	}
	lines := bufio.NewScanner(os.Stdin)
	fmt.Println("ready")
	lines.Scan()
	switch os.Args[1] {
	case "open":
		openAndClose(times)
	case "request":
		requests(times)
	}
	fmt.Println("done")
	lines.Scan()
}
