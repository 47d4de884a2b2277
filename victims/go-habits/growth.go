package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"
)

// warmUp opens its sessions one after the other while the service starts, and uses them in turn from then on.
func warmUp(ctx context.Context, s *service) error {
	sessions, stop, err := echoSessions()
	if err != nil {
		return err
	}
	defer stop()
	var pool []net.Conn
	defer func() { closeAll(pool) }()
	return every(ctx, s.span(1500*time.Millisecond), func(n int) error {
		if len(pool) < 30 {
			conn, err := sessions()
			if err != nil {
				return err
			}
			pool = append(pool, conn)
		}
		for range 12 {
			if err := exchange(pool[0]); err != nil {
				return err
			}
			pool = append(pool[1:], pool[0])
		}
		return nil
	})
}

// day has more tenants by day than by night: sessions come for a while, all in use, and go again.
func day(ctx context.Context, s *service) error {
	sessions, stop, err := echoSessions()
	if err != nil {
		return err
	}
	defer stop()
	var tenants []net.Conn
	defer func() { closeAll(tenants) }()
	return every(ctx, s.span(400*time.Millisecond), func(n int) error {
		switch morning := n%60 < 30; {
		case morning:
			conn, err := sessions()
			if err != nil {
				return err
			}
			tenants = append(tenants, conn)
		case len(tenants) > 0:
			tenants[0].Close()
			tenants = tenants[1:]
		}
		for _, conn := range tenants {
			if err := exchange(conn); err != nil {
				return err
			}
		}
		return nil
	})
}

// fileCache keeps files open that were read lately, up to a bound, and opens others just to look.
func fileCache(ctx context.Context, s *service) error {
	folder, err := os.MkdirTemp("", "habits-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	for n := range 64 {
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprint(n)), []byte("contents"), 0o600); err != nil {
			return err
		}
	}
	const bound = 40
	kept := map[int]*os.File{}
	defer func() {
		for _, file := range kept {
			file.Close()
		}
	}()
	return every(ctx, s.span(time.Second), func(n int) error {
		for look := range 8 {
			file, err := os.Open(filepath.Join(folder, fmt.Sprint((n+look)%64)))
			if err != nil {
				return err
			}
			io.Copy(io.Discard, file)
			file.Close()
		}
		wanted := n % 56
		if file, found := kept[wanted]; found {
			_, err := file.ReadAt(make([]byte, 8), 0)
			return err
		}
		if len(kept) == bound {
			oldest := (wanted + 56 - bound) % 56
			if file, found := kept[oldest]; found {
				file.Close()
				delete(kept, oldest)
			}
		}
		file, err := os.Open(filepath.Join(folder, fmt.Sprint(wanted)))
		if err == nil {
			kept[wanted] = file
		}
		return err
	})
}

// echoSessions starts a server that says back what it hears; the function opens a session with it.
func echoSessions() (open func() (net.Conn, error), stop func(), err error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				io.Copy(struct{ io.Writer }{conn}, struct{ io.Reader }{conn})
			}()
		}
	}()
	open = func() (net.Conn, error) { return net.Dial("tcp", listener.Addr().String()) }
	return open, func() { listener.Close() }, nil
}

func exchange(conn net.Conn) error {
	if _, err := conn.Write([]byte("how are you?")); err != nil {
		return err
	}
	_, err := io.ReadFull(conn, make([]byte, 12))
	return err
}

func closeAll(conns []net.Conn) {
	for _, conn := range conns {
		conn.Close()
	}
}
