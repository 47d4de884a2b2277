// Command go-intake takes in scanned documents that other programs drop into a folder.
//
// It shows: files of rejected jobs that a list keeps. The list is for a review that never comes; the files are
// reachable through it, so no finalizer closes them.
package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"shop.test/victims/go-intake/intake"
	"shop.test/victims/internal/traffic"
)

func main() {
	options := traffic.Parse(60, 30)
	ctx, stop := options.Context()
	defer stop()

	folder, err := os.MkdirTemp("", "intake-")
	traffic.Must(err)
	defer os.RemoveAll(folder)
	for i := range 30 {
		text := fmt.Sprintf("SCAN 1\npage %d\n%s\n", i, strings.Repeat("lorem ipsum ", 200))
		traffic.Must(os.WriteFile(filepath.Join(folder, fmt.Sprintf("scan-%d", i)), []byte(text), 0o600))
	}
	traffic.Must(os.WriteFile(filepath.Join(folder, "scan-torn"), []byte("SC"), 0o600))

	desk := intake.NewDesk(folder, options.Fixed)
	options.Drive(ctx, 2, func(n int) {
		name := fmt.Sprintf("scan-%d", n%30)
		if options.Rare(n) {
			name = "scan-torn"
		}
		if desk.Size(name) == 0 {
			slog.Error("empty scan", "name", name)
		}
		desk.Take(name)
	})
}
