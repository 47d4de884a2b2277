// Command go-scores streams the score of football matches to browsers, as server-sent events.
//
// It shows: a handler that ignores a client who has gone. It writes when a goal falls; before the first one it waits for a goal
// alone, and a browser that is closed by then leaves its connection in CLOSE_WAIT. The browsers are a process of their own.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"syscall"
	"time"

	"shop.test/victims/go-scores/scores"
	"shop.test/victims/internal/traffic"
)

func main() {
	stadium := flag.String("stadium", "", "be the browsers that look there")
	options := traffic.Parse(25, 10)
	ctx, stop := options.Context()
	defer stop()

	if *stadium != "" {
		options.Drive(ctx, 4, func(n int) { watch(ctx, *stadium, n, options.Rare(n)) })
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	traffic.Must(err)
	server := &http.Server{Handler: scores.Routes(options.Fixed), ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener)
	defer server.Close()

	browsers := exec.Command(os.Args[0], "--stadium", listener.Addr().String(), "--rate", fmt.Sprint(options.Rate),
		"--every", fmt.Sprint(options.Every))
	browsers.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	traffic.Must(browsers.Start())
	go browsers.Wait()
	fmt.Println("ready")
	<-ctx.Done()
}

// watch looks at a match for a moment, in a browser of its own.
func watch(ctx context.Context, stadium string, n int, early bool) {
	match := fmt.Sprint("match-", n%30)
	if early {
		match = fmt.Sprint("tomorrow-", n%30)
	}
	short, cancel := context.WithTimeout(ctx, 120*time.Millisecond)
	defer cancel()
	request, err := http.NewRequestWithContext(short, http.MethodGet, "http://"+stadium+"/scores/"+match, nil)
	if err != nil {
		return
	}
	transport := &http.Transport{DisableKeepAlives: true}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		return
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
	}
}
