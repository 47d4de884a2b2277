package main

import (
	"encoding/binary"
	"io"
	"net"
)

func message(kind byte, body string) string {
	length := binary.BigEndian.AppendUint32(nil, uint32(len(body)+4))
	return string(kind) + string(length) + body
}

// PostgreSQL, as far as an empty query.
func servePostgres(c net.Conn) {
	read := func(kind bool) (byte, []byte) {
		head := make([]byte, 5)
		if !kind {
			head = head[:4]
		}
		if _, err := io.ReadFull(c, head); err != nil {
			return 0, nil
		}
		body := make([]byte, binary.BigEndian.Uint32(head[len(head)-4:])-4)
		if _, err := io.ReadFull(c, body); err != nil {
			return 0, nil
		}
		return head[0], body
	}
	if _, body := read(false); body == nil {
		return
	}
	ready := message('Z', "I")
	io.WriteString(c, message('R', "\x00\x00\x00\x00")+
		message('S', "client_encoding\x00UTF8\x00")+
		message('S', "standard_conforming_strings\x00on\x00")+
		message('K', "\x00\x00\x00\x01\x00\x00\x00\x02")+ready)
	for {
		kind, body := read(true)
		if body == nil || kind == 'X' {
			return
		}
		io.WriteString(c, message('I', "")+ready)
	}
}
