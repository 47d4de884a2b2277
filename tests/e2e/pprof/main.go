// A service with net/http/pprof whose requests wait for an answer that never comes, until nobody
// counts them any more; with --fixed they give up after a while. With --password the profiles are
// for one user only. Prints its address.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"time"
)

type desk struct{ answers chan string }

// Holds what it has read meanwhile: too large for its stack.
func (d *desk) wait(patience time.Duration) byte {
	letter := make([]byte, 80<<10)
	var late <-chan time.Time
	if patience > 0 {
		late = time.After(patience)
		select {
		case <-d.answers:
		case <-late:
		}
		return letter[0]
	}
	<-d.answers
	return letter[0]
}

func (d *desk) serve(fixed bool) {
	patience := time.Duration(0)
	if fixed {
		patience = 100 * time.Millisecond
	}
	for range time.Tick(10 * time.Millisecond) {
		go d.wait(patience)
	}
}

func main() {
	fixed := flag.Bool("fixed", false, "give up in time")
	password := flag.String("password", "", "of the user `ops`")
	flag.Parse()
	d := &desk{answers: make(chan string)}
	go d.serve(*fixed)
	mux := http.NewServeMux()
	mux.HandleFunc("/inner/debug/pprof/", func(w http.ResponseWriter, r *http.Request) {
		_, given, _ := r.BasicAuth()
		if given != *password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		r.URL.Path = r.URL.Path[len("/inner"):]
		pprof.Index(w, r)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr())
	panic(http.Serve(listener, mux))
}
