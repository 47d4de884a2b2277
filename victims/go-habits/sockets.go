package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"syscall"
	"time"
)

// room is a web server whose visitors switch to a protocol of their own, as websockets do: few words, from both sides,
// after long silences. Keep-alive asks the silent ones whether they are still there.
func room(ctx context.Context, s *service) (address string, err error) {
	listening := net.ListenConfig{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: time.Second, Interval: time.Second, Count: 2}}
	listener, err := listening.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	serve := func(w http.ResponseWriter, r *http.Request) {
		conn, words, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: words\r\nConnection: Upgrade\r\n\r\n")
		for {
			line, err := words.ReadString('\n')
			if err != nil {
				return
			}
			fmt.Fprint(conn, "heard ", line)
		}
	}
	server := &http.Server{Handler: http.HandlerFunc(serve), ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(listener)
	go func() { <-ctx.Done(); server.Close() }()
	return listener.Addr().String(), nil
}

// enter opens a socket to the room.
func enter(address string) (*net.TCPConn, *bufio.Reader, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, nil, err
	}
	fmt.Fprintf(conn, "GET /room HTTP/1.1\r\nHost: room\r\nUpgrade: words\r\nConnection: Upgrade\r\n\r\n")
	words := bufio.NewReader(conn)
	if _, err := http.ReadResponse(words, nil); err != nil {
		conn.Close()
		return nil, nil, err
	}
	return conn.(*net.TCPConn), words, nil
}

func speak(conn net.Conn, words *bufio.Reader) error {
	if _, err := fmt.Fprintln(conn, "a word"); err != nil {
		return err
	}
	_, err := words.ReadString('\n')
	return err
}

// sockets has more and more visitors who say a few words when they come, listen for long, and speak again or leave.
func sockets(ctx context.Context, s *service) error {
	address, err := room(ctx, s)
	if err != nil {
		return err
	}
	return every(ctx, s.span(1500*time.Millisecond), func(n int) error {
		conn, words, err := enter(address)
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			for range 4 {
				if speak(conn, words) != nil {
					return
				}
				select {
				case <-ctx.Done():
					return
				case <-time.After(s.span(time.Duration(n%5) * 12 * time.Second)):
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(s.span(90 * time.Second)):
			}
		}()
		return nil
	})
}

// vanish has visitors who speak in a steady rhythm and leave, and some who are gone without a word: keep-alive ends
// those. Without root they leave as the others do.
func vanish(ctx context.Context, s *service) error {
	address, err := room(ctx, s)
	if err != nil {
		return err
	}
	return every(ctx, 150*time.Millisecond, func(n int) error {
		conn, words, err := enter(address)
		if err != nil {
			return err
		}
		go func() {
			for range 5 {
				if speak(conn, words) != nil {
					break
				}
				time.Sleep(50 * time.Millisecond)
			}
			if n%6 == 5 {
				takeAway(conn)
			}
			conn.Close()
		}()
		return nil
	})
}

// takeAway makes a socket end in silence when it is closed: under repair, no FIN is sent.
func takeAway(conn *net.TCPConn) {
	const repair = 19 // TCP_REPAIR
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, repair, 1) })
}
