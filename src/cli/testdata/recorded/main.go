// Keeps a few connections of each kind that the readers of a Go process's memory know, and prints
// "ready": its memory is recorded (go_recording_root_test.cc), so it does no more than it must.
package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

type session struct {
	name string
	conn net.Conn
}

type link struct{ conn net.Conn }

func (l *link) Prepare(string) (driver.Stmt, error) { return nil, errors.New("no") }
func (l *link) Close() error                        { return l.conn.Close() }
func (l *link) Begin() (driver.Tx, error)           { return nil, errors.New("no") }

type connector struct{}

func (connector) Connect(context.Context) (driver.Conn, error) { return &link{dial()}, nil }
func (connector) Driver() driver.Driver                        { return nil }

var (
	address  string
	sessions = map[string]*session{}
	pool     *sql.DB
	leaked   *sql.Conn
)

func dial() net.Conn {
	c, err := net.Dial("tcp", address)
	if err != nil {
		panic(err)
	}
	return c
}

//go:noinline
func read(s *session) {
	var one [1]byte
	s.conn.Read(one[:])
}

//go:noinline
func wait(s *session, never chan int) {
	fmt.Println(s.name, <-never)
}

func main() {
	never := make(chan int)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	address = plain.Addr().String()

	sessions["map"] = &session{"map", dial()}
	go read(&session{"reading", dial()})
	go wait(&session{"local", dial()}, never)

	pool = sql.OpenDB(connector{})
	var some []*sql.Conn
	for i := 0; i < 2; i++ {
		c, err := pool.Conn(context.Background())
		if err != nil {
			panic(err)
		}
		some = append(some, c)
	}
	some[0].Close()
	leaked = some[1]

	web, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(web, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-never }))
	go http.Get("http://" + web.Addr().String() + "/slow")
	time.Sleep(300 * time.Millisecond)
	fmt.Println("ready")
	<-never
}
