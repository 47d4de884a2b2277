package main

import (
	"context"
	"database/sql"
	"io"
	"net"

	_ "github.com/go-sql-driver/mysql"
)

// MySQL, as far as COM_PING.
func serveMySQL(c net.Conn) {
	send := func(number byte, body string) {
		io.WriteString(c, string([]byte{byte(len(body)), byte(len(body) >> 8), 0, number})+body)
	}
	read := func() []byte {
		head := make([]byte, 4)
		if _, err := io.ReadFull(c, head); err != nil {
			return nil
		}
		body := make([]byte, int(head[0])|int(head[1])<<8|int(head[2])<<16)
		if _, err := io.ReadFull(c, body); err != nil {
			return nil
		}
		return body
	}
	const ok = "\x00\x00\x00\x02\x00\x00\x00"
	send(0, "\x0a8.0.0\x00\x01\x00\x00\x00"+"saltsalt\x00"+"\x01\xa2"+"\x21\x02\x00"+"\x08\x00\x15"+
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"+"saltsaltsalt\x00"+"mysql_native_password\x00")
	if read() == nil {
		return
	}
	send(2, ok)
	for {
		const quit = 1
		body := read()
		if len(body) == 0 || body[0] == quit {
			return
		}
		send(1, ok)
	}
}

func fillMySQL(k *keeper) func() {
	pool, err := sql.Open("mysql", "u@tcp("+k.listen(serveMySQL)+")/")
	must(err)
	pool.SetMaxIdleConns(10)
	take := func() func() {
		c, err := pool.Conn(context.Background())
		must(err)
		must(c.PingContext(context.Background()))
		return func() { c.Close() }
	}
	k.borrow(take)
	return func() { take()() }
}

func init() { kinds = append(kinds, kind{"mysql", fillMySQL}) }
