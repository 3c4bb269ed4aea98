package xdsmetrics

import (
	"strings"
	"sync"
)

// maxTypes bounds how many types have a label of their own.
const maxTypes = 64

// otherTypes is the label of all further ones.
const otherTypes = "other"

// typeNames gives types their labels: the name without what comes before it in the URL.
type typeNames struct {
	mu    sync.RWMutex
	known map[string]string // by type URL
}

func (n *typeNames) of(typeURL string) string {
	n.mu.RLock()
	name, ok := n.known[typeURL]
	n.mu.RUnlock()
	if ok {
		return name
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.known) >= maxTypes {
		return otherTypes
	}
	if n.known == nil {
		n.known = map[string]string{}
	}
	name = strings.ToValidUTF8(typeURL[strings.LastIndexByte(typeURL, '/')+1:], "?")
	n.known[typeURL] = name
	return name
}
