package tracking

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"

	"golang.org/x/net/http2"
)

// Dialect is how a carrier wants to be spoken to.
type Dialect struct {
	Roots *x509.CertPool // nil: without TLS
	XNet  bool           // by golang.org/x/net/http2, which older code uses by itself
}

// newTransport returns a transport that speaks HTTP/2 and nothing else.
func newTransport(dialect Dialect) http.RoundTripper {
	encryption := &tls.Config{RootCAs: dialect.Roots}
	if dialect.XNet {
		transport := &http2.Transport{TLSClientConfig: encryption}
		if dialect.Roots == nil {
			transport.AllowHTTP = true
			transport.DialTLSContext = dialPlain
		}
		return transport
	}
	transport := &http.Transport{TLSClientConfig: encryption, Protocols: new(http.Protocols)}
	transport.Protocols.SetHTTP2(true)
	transport.Protocols.SetUnencryptedHTTP2(dialect.Roots == nil)
	return transport
}

func dialPlain(ctx context.Context, network, address string, _ *tls.Config) (net.Conn, error) {
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, address)
}
