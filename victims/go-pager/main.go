// Command go-pager calls people when machines are in trouble, over the web hook of a pager service.
//
// It shows: a call that nobody waits for, as a go statement of its own. Nobody closes the answer's body, and no stack
// holds a line of ours: the goroutine begins in net/http.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"shop.test/victims/go-pager/alarm"
	"shop.test/victims/internal/traffic"
)

func main() {
	options := traffic.Parse(40, 10)
	ctx, stop := options.Context()
	defer stop()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	traffic.Must(err)
	// Stands for the pager service, in a process of its own where the traffic is real.
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, strings.Repeat("queued ", 400))
	}))
	pager := alarm.NewPager("http://"+listener.Addr().String(), options.Fixed)
	options.Drive(ctx, 3, func(n int) {
		machine := fmt.Sprint("machine-", n%40)
		if options.Rare(n) {
			pager.Recovered(machine)
		} else {
			pager.Trouble(machine)
		}
	})
}
