// Command go-labels prints labels for parcels: a template from disk, the weight from a scale in the warehouse.
//
// It shows: what the garbage collector heals. On an error path the template's file and the scale's connection are
// dropped, unreachable, without a close; the next collection closes them. With --gogc -1 no collection comes.
package main

import (
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"

	"shop.test/victims/go-labels/labels"
	"shop.test/victims/internal/traffic"
)

func main() {
	scale := flag.String("warehouse", "127.0.0.1:4101", "the scale")
	gogc := flag.Int("gogc", 100, "as GOGC; -1 is off")
	options := traffic.Parse(60, 10)
	ctx, stop := options.Context()
	defer stop()
	debug.SetGCPercent(*gogc)

	folder, err := os.MkdirTemp("", "labels-")
	traffic.Must(err)
	defer os.RemoveAll(folder)
	traffic.Must(os.WriteFile(filepath.Join(folder, "parcel"), []byte("label 1\nTo: {name}\n"), 0o600))
	traffic.Must(os.WriteFile(filepath.Join(folder, "pallet"), []byte("lable 1\nTo: {name}\n"), 0o600)) // a typing error
	printer := labels.Printer{Folder: folder, Scale: *scale, Fixed: options.Fixed}

	options.Drive(ctx, 2, func(n int) {
		template, parcel := "parcel", fmt.Sprint("p", n)
		if options.Rare(n) {
			template = "pallet"
		}
		if n%options.Every == options.Every/2 {
			parcel = fmt.Sprint("moving-", n)
		}
		page := printer.Print(template, parcel)
		if page == nil && template == "parcel" && parcel[0] == 'p' {
			slog.Error("print failed", "parcel", parcel)
		}
	})
}
