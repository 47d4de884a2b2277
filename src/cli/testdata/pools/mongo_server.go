package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"regexp"
)

var mongoName = regexp.MustCompile("hold[0-9]+")

// What a server of MongoDB says of itself; also the answer to a ping.
func mongoHello() []byte {
	doc := []byte{0, 0, 0, 0}
	element := func(kind byte, name string, value ...byte) {
		doc = append(append(append(append(doc, kind), name...), 0), value...)
	}
	number := func(name string, value uint32) {
		element(0x10, name, binary.LittleEndian.AppendUint32(nil, value)...)
	}
	element(0x08, "ismaster", 1)
	element(0x08, "isWritablePrimary", 1)
	number("maxBsonObjectSize", 16777216)
	number("maxMessageSizeBytes", 48000000)
	number("maxWriteBatchSize", 100000)
	number("minWireVersion", 0)
	number("maxWireVersion", 21)
	element(0x01, "ok", 0, 0, 0, 0, 0, 0, 0xf0, 0x3f)
	doc = append(doc, 0)
	binary.LittleEndian.PutUint32(doc, uint32(len(doc)))
	return doc
}

func serveMongo(k *keeper) func(net.Conn) {
	const opReply, opQuery, opMessage = 1, 2004, 2013
	return func(c net.Conn) {
		for {
			head := make([]byte, 16)
			if _, err := io.ReadFull(c, head); err != nil {
				return
			}
			number := func(at int) uint32 { return binary.LittleEndian.Uint32(head[at:]) }
			body := make([]byte, number(0)-16)
			if _, err := io.ReadFull(c, body); err != nil {
				return
			}
			if name := mongoName.Find(body); name != nil {
				k.hold(string(name), c.RemoteAddr().(*net.TCPAddr).Port)
			}
			answer := []byte{0, 0, 0, 0, 0}
			kind := uint32(opMessage)
			if number(12) == opQuery {
				kind = opReply
				answer = append(make([]byte, 16), 1, 0, 0, 0)
			}
			answer = append(answer, mongoHello()...)
			var out bytes.Buffer
			for _, word := range []uint32{uint32(len(answer) + 16), 1, number(4), kind} {
				out.Write(binary.LittleEndian.AppendUint32(nil, word))
			}
			out.Write(answer)
			c.Write(out.Bytes())
		}
	}
}
