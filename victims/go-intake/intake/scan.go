package intake

import (
	"errors"
	"io"
	"os"
	"path/filepath"
)

var errTorn = errors.New("the scan is torn")

// folder is where the scans lie.
type folder struct {
	path string
}

func (f *folder) open(name string) (*os.File, error) {
	return os.Open(filepath.Join(f.path, name))
}

func readScan(file *os.File) ([]byte, error) {
	header := make([]byte, 7)
	if _, err := io.ReadFull(file, header); err != nil || string(header) != "SCAN 1\n" {
		return nil, errTorn
	}
	return io.ReadAll(file)
}
