// Keeps connections in every way in which programs keep them, and prints for each its descriptor
// and the way, for a test that asks a tool who holds them.
package main

import (
	"bufio"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

type session struct {
	id     int
	name   string
	conn   net.Conn
	reader *bufio.Reader
}

type registry struct {
	mu       sync.Mutex
	name     string
	sessions map[string]*session
}

type server struct {
	limits  [8]int
	current *session
}

// What many goroutines reach, and only some of them own.
type hall struct {
	label    string
	sessions map[string]*session
}

type wing struct {
	number int
	halls  []*hall
}

type building struct {
	label string
	wings map[string]*wing
}

type job struct {
	priority int
	s        *session
}

var (
	sessions   = map[string]*session{}
	list       []*session
	byValue    []session
	primary    *server
	queue      = make(chan job, 64)
	onShutdown func()
	shared     sync.Map
	house      = &registry{name: "house", sessions: map[string]*session{}}
	plain      net.Conn
	pool       *sql.DB
	client     = &http.Client{Transport: &http.Transport{}}
	timers     []*time.Timer
	many       = map[int]*session{}
	museum     *building
)

var address string

func listen() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	address = l.Addr().String()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			// The other ends are of no interest: they are kept away from Go.
			f, err := c.(*net.TCPConn).File()
			if err != nil {
				panic(err)
			}
			f.Fd()
			kept = append(kept, f)
			c.Close()
		}
	}()
}

var kept []*os.File

func number(c net.Conn) int {
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		panic(err)
	}
	fd := -1
	raw.Control(func(f uintptr) { fd = int(f) })
	return fd
}

func say(kind string, c net.Conn) { fmt.Println(kind, number(c)) }

//go:noinline
func dial(kind string) net.Conn {
	c, err := net.Dial("tcp", address)
	if err != nil {
		panic(err)
	}
	say(kind, c)
	return c
}

//go:noinline
func open(kind string) *session {
	c := dial(kind)
	return &session{name: kind, conn: c, reader: bufio.NewReader(c)}
}

//go:noinline
func waitForever(s *session, never chan int) {
	v := <-never
	fmt.Println(s.name, v)
}

//go:noinline
func readForever(c net.Conn) {
	buffer := make([]byte, 16)
	n, err := c.Read(buffer)
	fmt.Println(n, err)
}

//go:noinline
func deferForever(never chan int) {
	s := open("deferred")
	for i := 0; i < 1; i++ {
		defer func() { s.conn.Close() }()
	}
	<-never
}

type box struct {
	label string
	s     *session
}

type receipt struct {
	numbers [3]int
	of      *box
}

//go:noinline
func put(near *[2]net.Conn, c net.Conn) { near[1] = c }

// Its frame has a copy of the connection that it does not use any more.
//
//go:noinline
func stayInside(c net.Conn, never chan int) {
	var near [2]net.Conn
	put(&near, c)
	<-never
}

//go:noinline
func lend(s *session) *receipt { return &receipt{of: &box{label: "receipt", s: s}} }

//go:noinline
func keepReceipt(never chan int) {
	r := lend(open("receipt"))
	stayInside(r.of.s.conn, never)
	fmt.Println(r)
}

//go:noinline
func tick(never chan int) {
	ticker := time.NewTicker(5 * time.Millisecond)
	for {
		select {
		case <-ticker.C:
		case <-never:
			return
		}
	}
}

type link struct{ c net.Conn }

func (l *link) Prepare(string) (driver.Stmt, error) { return nil, errors.New("no") }
func (l *link) Close() error                        { return l.c.Close() }
func (l *link) Begin() (driver.Tx, error)           { return nil, errors.New("no") }

type connector struct{}

var borrowed int

func (connector) Connect(context.Context) (driver.Conn, error) {
	borrowed++
	return &link{dial(fmt.Sprintf("sql%d", borrowed))}, nil
}
func (connector) Driver() driver.Driver { return nil }

//go:noinline
func fill() {
	for i := 0; i < 3; i++ {
		s := open("map")
		sessions[fmt.Sprint("key", i)] = s
	}
	for i := 0; i < 100; i++ {
		many[i] = open("manymap")
	}
	list = append(list, open("slice"))
	byValue = append(byValue, *open("values"))
	primary = &server{current: open("struct")}
	queue <- job{1, open("channel")}
	s := open("closure")
	onShutdown = func() { s.conn.Close() }
	shared.Store("x", open("syncmap"))
	house.sessions["one"] = open("nested")
	plain = dial("variable")
	t := open("timer")
	timers = nil
	time.AfterFunc(time.Hour, func() { t.conn.Close() })
}

//go:noinline
func fillPools() {
	pool = sql.OpenDB(connector{})
	var held []*sql.Conn
	for i := 0; i < 2; i++ {
		c, err := pool.Conn(context.Background())
		if err != nil {
			panic(err)
		}
		held = append(held, c)
	}
	held[0].Close()
	leaked = held[1]

	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
	}))
	transport := client.Transport.(*http.Transport)
	transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		if err == nil {
			say(fmt.Sprint("web", ctx.Value("kind")), c)
		}
		return c, err
	}
	for _, kind := range []string{"idle", "leaked"} {
		ctx := context.WithValue(context.Background(), "kind", kind)
		request, _ := http.NewRequestWithContext(ctx, "GET", web.URL, nil)
		response, err := client.Do(request)
		if err != nil {
			panic(err)
		}
		if kind == "idle" {
			// The next one must not take this.
			defer func() { io.Copy(io.Discard, response.Body); response.Body.Close() }()
		} else {
			unread = response
		}
	}
}

type lender struct{}

func (lender) Connect(context.Context) (driver.Conn, error) { return &link{dial("lent")}, nil }
func (lender) Driver() driver.Driver                        { return nil }

//go:noinline
func keepLent(pool *sql.DB, never chan int) {
	c, err := pool.Conn(context.Background())
	if err != nil {
		panic(err)
	}
	defer c.Close()
	<-never
}

//go:noinline
func waitForPool(pool *sql.DB) {
	c, err := pool.Conn(context.Background())
	fmt.Println(c, err)
}

// A pool that has lent all that it may have, and some who wait for it.
func fillTight(never chan int) {
	tight := sql.OpenDB(lender{})
	tight.SetMaxOpenConns(2)
	for i := 0; i < 2; i++ {
		go keepLent(tight, never)
	}
	for tight.Stats().InUse < 2 {
		time.Sleep(time.Millisecond)
	}
	for i := 0; i < 5; i++ {
		go waitForPool(tight)
	}
}

//go:noinline
func (h *hall) attend(never chan int) {
	<-never
	fmt.Println(h.label)
}

//go:noinline
func (h *hall) wander(never chan int) {
	<-never
	fmt.Println(h.label)
}

// Each visitor reaches the hall by its own session.
type visitor struct {
	number int
	in     *hall
}

//go:noinline
func (v *visitor) visit(never chan int) {
	<-never
	fmt.Println(v.number, v.in.label)
}

//go:noinline
func (h *hall) guard(never chan int) {
	w := &wing{halls: []*hall{h}}
	<-never
	fmt.Println(w.halls[0].label)
}

func fillHall(kind string) *hall {
	h := &hall{label: kind, sessions: map[string]*session{}}
	for i := 0; i < 20; i++ {
		h.sessions[fmt.Sprint(kind, i)] = open(kind)
	}
	return h
}

// Halls that fifty goroutines reach on the shortest way.
func fillHalls(never chan int) {
	inMuseum := fillHall("crowdvariable")
	guarded := fillHall("crowdguarded")
	alone := fillHall("crowdalone")
	museum = &building{wings: map[string]*wing{"east": {halls: []*hall{inMuseum}}}}
	go guarded.guard(never)
	for i := 0; i < 50; i++ {
		go inMuseum.attend(never)
		go guarded.attend(never)
		go alone.wander(never)
	}
	visited := fillHall("crowdvisited")
	for i := 0; i < 50; i++ {
		go (&visitor{i, visited}).visit(never)
	}
}

// Its goroutine alone has the map.
func keepMap(never, done chan int) {
	sessions := map[string]*session{}
	for i := 0; i < 20; i++ {
		sessions[fmt.Sprint(i)] = open("hub")
	}
	done <- len(sessions)
	<-never
	fmt.Println(sessions)
}

var leaked *sql.Conn
var unread *http.Response

// Nothing refers to its connection when it has ended.
//
//go:noinline
func drop(done chan bool) {
	open("garbage")
	done <- true
}

func main() {
	// What is garbage stays to be looked at.
	debug.SetGCPercent(-1)
	listen()
	done := make(chan bool)
	go drop(done)
	<-done
	never := make(chan int)
	go func() { waitForever(open("local"), never) }()
	go func() { readForever(dial("reading")) }()
	go deferForever(never)
	go keepReceipt(never)
	fill()
	fillPools()
	fillTight(never)
	fillHalls(never)
	full := make(chan int)
	go keepMap(never, full)
	<-full
	front := fillHall("crowdmain")
	for i := 0; i < 50; i++ {
		go front.attend(never)
	}
	time.Sleep(100 * time.Millisecond)
	// The collector leaves behind where it was, and tickers lead there.
	for i := 0; i < 3 && len(os.Args) > 1; i++ {
		go tick(never)
		runtime.GC()
	}
	fmt.Println("ready", os.Getpid())
	<-never
	fmt.Println(front.label)
}
