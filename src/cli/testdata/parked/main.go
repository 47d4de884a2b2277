// Parks goroutines in every way that matters, serves their own dump, and prints its port.
package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
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

var dialled []net.Conn // kept: the collector closes connections that nobody has

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
		connection, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			panic(err)
		}
		dialled = append(dialled, connection)
	}
	pool(listener.Addr().String())
}

// A driver whose connections are TCP connections that nobody speaks on.
type dialler struct{ address string }
type wire struct {
	number int
	stream net.Conn
}

func (d *dialler) Open(string) (driver.Conn, error) {
	stream, err := net.Dial("tcp", d.address)
	return &wire{stream: stream}, err
}
func (w *wire) Prepare(string) (driver.Stmt, error) { return nil, errors.New("no statements") }
func (w *wire) Close() error                        { return w.stream.Close() }
func (w *wire) Begin() (driver.Tx, error)           { return nil, errors.New("no transactions") }

var held []*sql.Conn

// Of at most three connections two are held and one is idle; one borrow had to wait.
func pool(address string) {
	sql.Register("wire", &dialler{address})
	db, err := sql.Open("wire", "")
	if err != nil {
		panic(err)
	}
	db.SetMaxOpenConns(3)
	for i := 0; i < 3; i++ {
		connection, err := db.Conn(context.Background())
		if err != nil {
			panic(err)
		}
		held = append(held, connection)
	}
	last := held[2]
	held = held[:2]
	time.AfterFunc(20*time.Millisecond, func() { last.Close() })
	waited, err := db.Conn(context.Background())
	if err != nil {
		panic(err)
	}
	waited.Close()
}

// One request that is served, and awaited, for ever.
func requests() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	entered := make(chan bool)
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered <- true
		select {}
	}))
	request, _ := http.NewRequest("PUT", "http://"+listener.Addr().String()+"/slow/orders?token=secret", nil)
	go http.DefaultClient.Do(request)
	<-entered
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	m, _ := strconv.Atoi(os.Args[2])
	start(n)
	connections(m)
	requests()
	r, _, _ := os.Pipe()
	go func() { var b [1]byte; os.NewFile(r.Fd(), "blocking").Read(b[:]) }()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	http.Serve(listener, nil)
}
