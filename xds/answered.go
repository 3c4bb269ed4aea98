package xds

import "context"

// WaitAnswered returns when every stream of a node that subscribes to ref has answered for its content (or
// absence) of the time of the call or later: nil when all accepted it, else the rejection of one that did
// not. It returns ctx.Err() if ctx ends first. A program that relays what another server sends uses it to
// answer that server as its own client did.
func (s *Server) WaitAnswered(ctx context.Context, nodeID string, ref Ref) (*Rejection, error) {
	isNode := func(st *stream) bool { return st.info.Node.ID == nodeID }
	if err := s.wait(ctx, ref, isNode); err != nil {
		return nil, err
	}
	for _, st := range s.allStreams() {
		if isNode(st) {
			if r := st.rejection(ref); r != nil {
				return r, nil
			}
		}
	}
	return nil, nil
}

// rejection returns why the stream's client rejected the current content of ref, nil when it did not.
func (st *stream) rejection(ref Ref) *Rejection {
	g := st.session.group
	g.mu.Lock()
	defer g.mu.Unlock()
	w := st.session.watch(ref.Type)
	if w == nil || w.want == nil || !w.isRejected(change{name: ref.Name, new: w.want.find(ref.Name)}) {
		return nil
	}
	return w.rejections.latest
}
