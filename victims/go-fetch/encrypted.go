package main

import (
	"crypto/tls"
	"net"
	"net/http"

	"shop.test/victims/internal/certificate"
)

// serveEncrypted serves with a certificate made for this run, over HTTP/1.1 only.
func serveEncrypted(server *http.Server, listener net.Listener) (string, *http.Client, error) {
	own, roots, err := certificate.Loopback()
	if err != nil {
		return "", nil, err
	}
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{"http/1.1"}}
	go server.ServeTLS(listener, "", "")
	transport := &http.Transport{MaxIdleConnsPerHost: 8, TLSClientConfig: &tls.Config{RootCAs: roots}}
	return "https://" + listener.Addr().String(), &http.Client{Transport: transport}, nil
}
