// held serve MEGABYTES CONNECTIONS fills its heap with a cache of that size, which is half pointers
// and half bytes, leaks so many connections into a map of sessions, answers /ping, and prints its
// address. Load is given by bench/parked.
package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strconv"
)

type entry struct {
	next, previous, other *entry
	name                  string
	tags                  []string
	body                  []byte
}

type session struct {
	user   string
	conn   net.Conn
	reader *bufio.Reader
	seen   *entry
}

var (
	cache    = map[int]*entry{}
	recent   *entry
	sessions = map[string]*session{}
	listener net.Listener
	others   []net.Conn
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Some 340 bytes with its parts and its share of the map.
func fill(megabytes int) {
	for i := 0; i < megabytes*1_000_000/340; i++ {
		e := &entry{next: recent, name: strconv.Itoa(i), tags: make([]string, 4), body: make([]byte, 128)}
		if recent != nil {
			recent.previous = e
			e.other = cache[i/2]
		}
		e.tags[0] = e.name
		cache[i] = e
		recent = e
	}
}

func leak(n int) {
	var err error
	listener, err = net.Listen("tcp", "127.0.0.1:0")
	check(err)
	for i := 0; i < n; i++ {
		c, err := net.Dial("tcp", listener.Addr().String())
		check(err)
		other, err := listener.Accept()
		check(err)
		others = append(others, other)
		sessions[fmt.Sprint("user", i)] = &session{"user", c, bufio.NewReaderSize(c, 64), cache[i]}
	}
}

func main() {
	if len(os.Args) != 4 || os.Args[1] != "serve" {
		check(fmt.Errorf("serve MEGABYTES CONNECTIONS"))
	}
	megabytes, err := strconv.Atoi(os.Args[2])
	check(err)
	connections, err := strconv.Atoi(os.Args[3])
	check(err)
	fill(megabytes)
	leak(connections)
	debug.SetGCPercent(400)
	http.HandleFunc("/ping", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "pong") })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println(l.Addr())
	check(http.Serve(l, nil))
}
