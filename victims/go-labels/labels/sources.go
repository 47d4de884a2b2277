package labels

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

var (
	errVersion = errors.New("not a template of version 1")
	errMoved   = errors.New("the parcel is on its way")
)

// template reads a template after a look at its first line.
func (p *Printer) template(name string) (string, error) {
	file, err := openIn(p.Folder, name) // LEAK[opened]: labels-template
	if err != nil {
		return "", err
	}
	reader := bufio.NewReader(file)
	version, err := reader.ReadString('\n')
	if err != nil || version != "label 1\n" {
		if p.Fixed {
			file.Close()
		}
		return "", errVersion
	}
	defer file.Close()
	text, err := io.ReadAll(reader)
	return string(text), err
}

func openIn(folder, name string) (*os.File, error) {
	return os.Open(filepath.Join(folder, name))
}

// weigh asks the scale for the weight of a parcel.
func (p *Printer) weigh(parcel string) (string, error) {
	conn, err := net.DialTimeout("tcp", p.Scale, 2*time.Second) // LEAK[opened]: labels-scale
	if err != nil {
		return "", err
	}
	answer, err := ask(conn, "STOCK "+parcel) // LEAK[used]: labels-scale
	if err != nil {
		conn.Close()
		return "", err
	}
	weight, found := strings.CutPrefix(answer, "QTY ")
	if !found {
		if p.Fixed {
			conn.Close()
		}
		return "", errMoved
	}
	return weight, conn.Close()
}

func ask(conn net.Conn, line string) (string, error) {
	if _, err := io.WriteString(conn, line+"\n"); err != nil {
		return "", err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(answer), err
}
