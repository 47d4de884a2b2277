// Package carrier is what we know of the companies that move our loads.
package carrier

import (
	"context"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const quote = "/freight.Carrier/Quote"

// Desk asks carriers; Shared is the connection that all its callers have.
type Desk struct {
	Address     string
	Credentials Credentials
	Shared      *grpc.ClientConn
	Fixed       bool
}

// Standard is the price of a load that goes with the next lorry.
func (d *Desk) Standard(ctx context.Context, load string) (string, error) {
	return ask(ctx, d.Shared, "standard "+load)
}

// Express is the price of a load that goes now.
func (d *Desk) Express(ctx context.Context, load string) (string, error) {
	return ask(ctx, d.Shared, "express "+load)
}

// Oversize asks a carrier with which we have no contract yet.
func (d *Desk) Oversize(ctx context.Context, load string) error {
	guest, err := d.guest()
	if err != nil {
		return err
	}
	price, err := ask(ctx, guest, "oversize "+load) // LEAK[borrowed]: freight-guest
	if err != nil || price == "refused" {
		if d.Fixed {
			guest.Close()
		}
		return err
	}
	return guest.Close()
}

func (d *Desk) guest() (*grpc.ClientConn, error) {
	return grpc.NewClient(d.Address, grpc.WithTransportCredentials(d.Credentials))
}

func ask(ctx context.Context, client *grpc.ClientConn, load string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var price wrapperspb.StringValue
	if err := client.Invoke(ctx, quote, wrapperspb.String(load), &price); err != nil {
		return "", fmt.Errorf("quote of %s: %w", load, err)
	}
	return price.GetValue(), nil
}
