package main

import (
	"context"
	"io"
	"net"

	"github.com/jackc/puddle/v2"
)

func fillPuddle2(k *keeper) func() {
	address := k.listen(func(c net.Conn) { io.Copy(io.Discard, c) })
	pool, err := puddle.NewPool(&puddle.Config[net.Conn]{
		Constructor: func(context.Context) (net.Conn, error) { return net.Dial("tcp4", address) },
		Destructor:  func(c net.Conn) { c.Close() },
		MaxSize:     20,
	})
	must(err)
	take := func() func() {
		c, err := pool.Acquire(context.Background())
		must(err)
		c.Value().Write([]byte("x"))
		return c.Release
	}
	k.borrow(take)
	return func() { take()() }
}

func init() { kinds = append(kinds, kind{"puddle2", fillPuddle2}) }
