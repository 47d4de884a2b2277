// Command go-vault hands out secrets over a unix socket, and its neighbours fetch them.
//
// It shows: leaks on both sides of a unix socket, where no state tells that the other side has gone. A neighbour that
// finds its secret unchanged drops the connection; the vault forgets those whom it refuses.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"shop.test/victims/go-vault/vault"
	"shop.test/victims/internal/traffic"
)

func main() {
	side := flag.String("side", "client", "which side leaks: client or server")
	options := traffic.Parse(60, 20)
	ctx, stop := options.Context()
	defer stop()

	folder, err := os.MkdirTemp("", "vault-")
	traffic.Must(err)
	defer os.RemoveAll(folder)
	path := filepath.Join(folder, "vault.sock")
	server, err := vault.Listen(path, options.Fixed || *side != "server")
	traffic.Must(err)
	defer server.Close()

	neighbour := vault.Neighbour{Path: path, Fixed: options.Fixed || *side != "client"}
	options.Drive(ctx, 2, func(n int) {
		var err error
		switch {
		case options.Rare(n) && *side == "server":
			err = neighbour.Probe(fmt.Sprint("stranger-", n))
		case options.Rare(n):
			err = neighbour.Renew("database")
		default:
			_, err = neighbour.Fetch("database")
		}
		if err != nil {
			slog.Error("vault failed", "err", err)
		}
	})
}
