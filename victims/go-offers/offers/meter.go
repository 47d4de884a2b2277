package offers

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Bytes that went over the wire.
type Bytes struct{ Sent, Received atomic.Int64 }

// metered is a connection that counts.
type metered struct {
	net.Conn
	bytes *Bytes
}

func (m *metered) Read(p []byte) (int, error) {
	n, err := m.Conn.Read(p)
	m.bytes.Received.Add(int64(n))
	return n, err
}

func (m *metered) Write(p []byte) (int, error) {
	n, err := m.Conn.Write(p)
	m.bytes.Sent.Add(int64(n))
	return n, err
}

// transport is the usual one, over connections that count.
func transport(bytes *Bytes) *http.Transport {
	dialer := net.Dialer{Timeout: time.Second}
	return &http.Transport{
		MaxIdleConnsPerHost: 8,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &metered{conn, bytes}, nil
		},
	}
}
