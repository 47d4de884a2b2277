// Holds the hand-out functions of gRPC.
package main

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

func main() {
	connection, err := grpc.Dial("127.0.0.1:1", grpc.WithTransportCredentials(credentials.NewTLS(nil)))
	if err == nil {
		connection.Invoke(context.Background(), "/a/b", nil, nil)
	}
}
