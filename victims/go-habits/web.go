package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// site is a web server of the service's own, with pages, long polls and event streams.
func site(s *service) (address string, stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /page", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "a page") })
	mux.HandleFunc("GET /poll", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-time.After(s.span(25 * time.Second)):
			w.WriteHeader(http.StatusNoContent)
		}
	})
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, r *http.Request) {
		flusher := w.(http.Flusher)
		every(r.Context(), s.span(15*time.Second), func(n int) error {
			_, err := fmt.Fprintf(w, "data: %d\n\n", n)
			flusher.Flush()
			return err
		})
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener)
	return "http://" + listener.Addr().String(), func() { server.Close() }, nil
}

// client has connections of its own, so that habits do not share.
func client(idle int, timeout time.Duration) *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: idle, IdleConnTimeout: timeout}}
}

func get(ctx context.Context, c *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := c.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// keepAlive has clients that ask for a page once in a long while, each on a connection that it keeps; others come,
// ask and go.
func keepAlive(ctx context.Context, s *service) error {
	base, stop, err := site(s)
	if err != nil {
		return err
	}
	defer stop()
	for n := range 6 {
		quiet := client(1, time.Hour)
		go func() {
			time.Sleep(s.span(time.Duration(n) * time.Second))
			get(ctx, quiet, base+"/page")
			every(ctx, s.span(20*time.Second), func(int) error { return get(ctx, quiet, base+"/page") })
		}()
	}
	return every(ctx, 100*time.Millisecond, func(int) error {
		passing := client(1, time.Minute)
		defer passing.CloseIdleConnections()
		return get(ctx, passing, base+"/page")
	})
}

// longPoll has requests that are answered when something happens, which takes its time.
func longPoll(ctx context.Context, s *service) error {
	base, stop, err := site(s)
	if err != nil {
		return err
	}
	defer stop()
	for n := range 8 {
		go func() {
			waiting := client(1, time.Hour)
			time.Sleep(s.span(time.Duration(n) * time.Second))
			for ctx.Err() == nil {
				get(ctx, waiting, base+"/poll")
			}
		}()
	}
	<-ctx.Done()
	return nil
}

// stream has readers of an event stream in which little happens, and one that comes and goes.
func stream(ctx context.Context, s *service) error {
	base, stop, err := site(s)
	if err != nil {
		return err
	}
	defer stop()
	for n := range 8 {
		go func() {
			time.Sleep(s.span(time.Duration(n) * time.Second))
			follow(ctx, base+"/events")
		}()
	}
	return every(ctx, s.span(3*time.Second), func(int) error {
		visit, cancel := context.WithTimeout(ctx, s.span(2*time.Second))
		defer cancel()
		follow(visit, base+"/events")
		return nil
	})
}

func follow(ctx context.Context, url string) error {
	reader := client(1, time.Hour)
	defer reader.CloseIdleConnections()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := reader.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	events := bufio.NewScanner(response.Body)
	for events.Scan() {
	}
	return events.Err()
}
