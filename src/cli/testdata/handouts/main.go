// Leaks one response body in twenty, through a helper that a healthy caller shares.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}

func get(url string) (*http.Response, error) { return client.Get(url) }

func healthy(base string) {
	response, err := get(base + "/a")
	if err == nil {
		io.Copy(io.Discard, response.Body)
		response.Body.Close()
	}
}

func leaky(base string) {
	response, err := get(base + "/b")
	if err == nil && response.StatusCode == http.StatusOK {
		return
	}
}

// dereference reads through a nil pointer and goes on, as Go programs may.
func dereference(number *int) (value int) {
	defer func() { recover() }()
	return *number
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "ok") }))
	base := "http://" + listener.Addr().String()
	if len(os.Args) > 1 && os.Args[1] == "faults" {
		go func() {
			for {
				time.Sleep(time.Second)
				dereference(nil)
			}
		}()
	}
	for n := 1; ; n++ {
		healthy(base)
		if n%20 == 0 {
			leaky(base)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
