// Parks goroutines in every way that matters, serves their own dump, and prints its port.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"
)

type shelf[T any] struct{ items []T }

func (s *shelf[T]) wait(c chan T) { s.items = append(s.items, <-c) }

type keeper interface{ hold(chan int) }
type plain struct{ n int }

func (p plain) hold(c chan int) { <-c; p.n++ }

func receive(c chan int) { inlined(c) }
func inlined(c chan int) { <-c }
func deep(n int, c chan int) int {
	if n == 0 {
		return <-c
	}
	var pad [200]byte
	pad[n%200] = byte(n)
	return deep(n-1, c) + int(pad[3])
}

func start(n int) {
	c := make(chan int)
	for i := 0; i < n; i++ {
		go receive(c)
	}
	go deep(300, c)
	go deep(20000, c)
	go func() { select {} }()
	go func() { time.Sleep(time.Hour) }()
	ctx, cancel := context.WithCancel(context.Background())
	go func() { defer cancel(); <-ctx.Done() }()
	full := make(chan int, 1)
	go func() { full <- 1; full <- 2 }()
	go func() {
		select {
		case <-ctx.Done():
		case <-c:
		}
	}()
	var nilChannel chan int
	go func() { nilChannel <- 1 }()
	var mutex sync.Mutex
	mutex.Lock()
	go func() { mutex.Lock() }()
	var group sync.WaitGroup
	group.Add(1)
	go group.Wait()
	cond := sync.NewCond(&sync.Mutex{})
	go func() { cond.L.Lock(); cond.Wait() }()
	s := &shelf[int]{}
	go s.wait(make(chan int))
	var k keeper = plain{}
	go k.hold(c)
	go func() {
		runtime.LockOSThread()
		go receive(c)
		<-c
	}()
	var once sync.Once
	go once.Do(func() { inlined(c) })
}

func connections(n int) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { var b [1]byte; connection.Read(b[:]) }()
		}
	}()
	for i := 0; i < n; i++ {
		if _, err := net.Dial("tcp", listener.Addr().String()); err != nil {
			panic(err)
		}
	}
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	m, _ := strconv.Atoi(os.Args[2])
	start(n)
	connections(m)
	r, _, _ := os.Pipe()
	go func() { var b [1]byte; os.NewFile(r.Fd(), "blocking").Read(b[:]) }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	http.Serve(listener, nil)
}
