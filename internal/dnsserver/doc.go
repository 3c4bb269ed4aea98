// Package dnsserver answers DNS queries for the services of the mesh, for programs that call without a proxy.
//
// With the domain "mesh" it has these names, of every service that has a manifest or instances:
//
//	users.mesh              A, AAAA: where the service's instances are; SRV: also at which port
//	_http._tcp.users.mesh   SRV: the same for the port with that name
//	admin.users.mesh        A, AAAA: the instances that have this further port
//	10-0-0-7.users.mesh     A or AAAA: one instance, the target of SRV records
//
// Every answer is made from the registry's current snapshot. Nothing is prepared when an instance changes, so changes
// cost nothing here.
//
// The server is authoritative for its domain and refuses everything else: it never asks another server. It must never
// be of use for attacks on others: an answer over UDP has at most 1232 bytes, and a network that sends too many
// queries gets answers without records, which say to repeat the query over TCP.
//
// Its one invariant: a name exists exactly while its service has a manifest or an instance, so that a resolver never
// remembers a service without instances as one that does not exist.
package dnsserver
