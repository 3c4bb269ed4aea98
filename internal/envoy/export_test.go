package envoy

// Encoded returns how many resources c has encoded.
func (c *Cache) Encoded() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.encoded
}

// Len returns how many resources are in c.
func (c *Cache) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.resources)
}

// Encoded returns how many endpoints were encoded.
func (a *AssignmentEncoder) Encoded() int { return a.encoded }

// Chunks returns how many chunks the endpoints are in.
func (a *AssignmentEncoder) Chunks() int { return len(a.chunks) }
