// Package health finds out whether an instance can take traffic: it asks its application, and joins the answers
// with the other conditions into the state that the instance is checked in with.
//
// It must never act on what it finds. Its one invariant: an instance is healthy only while every condition holds.
package health
