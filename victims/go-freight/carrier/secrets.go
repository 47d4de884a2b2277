package carrier

import (
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"shop.test/victims/internal/certificate"
)

// Credentials are what a connection to a carrier is protected by.
type Credentials = credentials.TransportCredentials

// Secrets are the credentials of a carrier and of its customers.
func Secrets(encrypted bool) (server, client Credentials, err error) {
	if !encrypted {
		return insecure.NewCredentials(), insecure.NewCredentials(), nil
	}
	own, roots, err := certificate.Loopback()
	if err != nil {
		return nil, nil, err
	}
	return credentials.NewServerTLSFromCert(&own), credentials.NewClientTLSFromCert(roots, ""), nil
}
