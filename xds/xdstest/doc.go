// Package xdstest watches an xDS server from beside it: it reads the bytes on the server's
// connections, decodes them with the official protocol messages, and says where the server broke a
// rule of the protocol.
//
//	recorder := xdstest.NewRecorder(xdstest.Options{})
//	go grpcServer.Serve(recorder.Listen(listener))
//	...
//	recorder.Verify(t) // fails the test for each violation
//
// It knows nothing of the server: it works for any implementation, in any test, and shares no code
// with the engine. What it reads it has in the order in which the server read and wrote it, so what
// the server could know when it sent something is known exactly. What was published it cannot know;
// so it judges only what the messages themselves prove. Connections must be plain, not TLS.
//
// The rules are those of the table in rules.go; their numbers are explained in docs/xds-protocol.md.
package xdstest
