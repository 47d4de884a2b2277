package main

import (
	"sync"

	"shop.test/victims/go-tunnel/tunnel"
)

// tenants has a session for each tenant that is here to stay.
type tenants struct {
	address string
	fixed   bool

	mutex    sync.Mutex
	sessions map[string]*tunnel.Session
	audited  []*tunnel.Session
}

// stock asks a tenant's warehouse, over the session that it has.
func (t *tenants) stock(tenant, article string) error {
	session, err := t.session(tenant)
	if err != nil {
		return err
	}
	_, err = session.Ask("STOCK " + article)
	return err
}

func (t *tenants) session(tenant string) (*tunnel.Session, error) {
	t.mutex.Lock()
	defer t.mutex.Unlock()
	if session, found := t.sessions[tenant]; found {
		return session, nil
	}
	session, err := tunnel.Dial(t.address)
	if err == nil {
		t.sessions[tenant] = session
	}
	return session, err
}

// audit looks at a tenant that we do not serve any more.
func (t *tenants) audit(tenant string) error {
	session, err := tunnel.Dial(t.address) // LEAK[opened]: tunnel-audit
	if err != nil {
		return err
	}
	for _, article := range []string{"tea", "coffee", "sugar"} {
		if _, err := session.Ask("STOCK " + article + "-" + tenant); err != nil { // LEAK[used,borrowed]: tunnel-audit
			session.Close()
			return err
		}
	}
	if t.fixed {
		return session.Close()
	}
	t.mutex.Lock()
	defer t.mutex.Unlock()
	t.audited = append(t.audited, session)
	return nil
}
