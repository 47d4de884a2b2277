// parked serve GOROUTINES parks so many, answers /ping and net/http/pprof, and reads from whoever
// connects to a second address; it prints both. parked hold ADDRESS CONNECTIONS connects so often,
// prints "ready" and waits. parked load ADDRESS SECONDS asks for /ping 200 times a second and prints the
// 99th percentile of the answers' times and the longest, in milliseconds.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"sort"
	"strconv"
	"time"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func work(n int, c chan int) int {
	if n == 0 {
		return <-c
	}
	return work(n-1, c) + n
}

var kept []net.Conn

func hold(address string, connections int) {
	for i := 0; i < connections; i++ {
		dialled, err := net.Dial("tcp", address)
		check(err)
		kept = append(kept, dialled)
	}
	fmt.Println("ready")
	time.Sleep(24 * time.Hour)
}

func read(listener net.Listener) {
	for {
		accepted, err := listener.Accept()
		check(err)
		go func() { var b [1]byte; accepted.Read(b[:]) }()
	}
}

func serve(goroutines int) {
	c := make(chan int)
	for i := 0; i < goroutines; i++ {
		go work(5, c)
	}
	connections, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go read(connections)
	http.HandleFunc("/ping", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "pong") })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	fmt.Println(listener.Addr(), connections.Addr())
	check(http.Serve(listener, nil))
}

func load(address string, seconds float64) {
	var times []float64
	tick := time.NewTicker(5 * time.Millisecond)
	for end := time.Now().Add(time.Duration(seconds * 1e9)); time.Now().Before(end); <-tick.C {
		start := time.Now()
		response, err := http.Get("http://" + address + "/ping")
		check(err)
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
		times = append(times, time.Since(start).Seconds()*1e3)
	}
	sort.Float64s(times)
	fmt.Printf("%.3f %.3f\n", times[len(times)*99/100], times[len(times)-1])
}

func main() {
	switch {
	case len(os.Args) == 3 && os.Args[1] == "serve":
		goroutines, err := strconv.Atoi(os.Args[2])
		check(err)
		serve(goroutines)
	case len(os.Args) == 4 && os.Args[1] == "hold":
		connections, err := strconv.Atoi(os.Args[3])
		check(err)
		hold(os.Args[2], connections)
	case len(os.Args) == 4 && os.Args[1] == "load":
		seconds, err := strconv.ParseFloat(os.Args[3], 64)
		check(err)
		load(os.Args[2], seconds)
	default:
		check(fmt.Errorf("serve GOROUTINES, hold ADDRESS CONNECTIONS, or load ADDRESS SECONDS"))
	}
}
