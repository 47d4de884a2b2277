package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"time"
)

// serveEncrypted serves with a certificate made for this run, over HTTP/1.1 only.
func serveEncrypted(server *http.Server, listener net.Listener) (string, *http.Client, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", nil, err
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotAfter:     time.Now().Add(24 * time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	made, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		return "", nil, err
	}
	known, err := x509.ParseCertificate(made)
	if err != nil {
		return "", nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(known)
	own := tls.Certificate{Certificate: [][]byte{made}, PrivateKey: key}
	server.TLSConfig = &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{"http/1.1"}}
	go server.ServeTLS(listener, "", "")
	transport := &http.Transport{MaxIdleConnsPerHost: 8, TLSClientConfig: &tls.Config{RootCAs: roots}}
	return "https://" + listener.Addr().String(), &http.Client{Transport: transport}, nil
}
