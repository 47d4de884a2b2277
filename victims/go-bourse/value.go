package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
)

// value asks the exchange what a portfolio is worth.
func value(ctx context.Context, exchange, portfolio string) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", exchange)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := fmt.Fprintln(conn, "VALUE", portfolio); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && !strings.HasPrefix(answer, "WORTH") {
		err = fmt.Errorf("unexpected %q", answer)
	}
	return err
}
