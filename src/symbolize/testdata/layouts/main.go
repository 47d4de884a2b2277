// Holds the types whose layouts the table has. Built, never run.
package main

import (
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
)

func main() {
	db, err := sql.Open("x", "y")
	fmt.Println(db, err)
	u, _ := url.Parse("http://x/")
	fmt.Println(u)
	r, err := http.Get("http://x/")
	fmt.Println(r, err)
	http.ListenAndServe("", nil)
}
