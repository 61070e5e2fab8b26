import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** PEM texts of an authority, and of a server and two clients that it signed; and the folder they lie in. */
export interface Certificates {
  folder: string
  ca: string
  server: string
  serverKey: string
  client: string
  clientKey: string
  other: string
  otherKey: string
}

export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'mllp-'))
  const openssl = (...parts: string[]) => execFileSync('openssl', parts, { cwd: folder, stdio: 'ignore' })
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  openssl('req', '-x509', ...ec, '-keyout', 'ca.key', '-out', 'ca.crt', '-subj', '/CN=Test CA')
  for (const name of ['server', 'client', 'other']) {
    const subject = ['-subj', `/CN=${name}.example`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
    const signed = ['-CA', 'ca.crt', '-CAkey', 'ca.key']
    openssl('req', '-x509', ...ec, ...signed, '-keyout', `${name}.key`, '-out', `${name}.crt`, ...subject)
  }
  const read = (name: string) => readFileSync(join(folder, name), 'utf-8')
  return {
    folder,
    ca: read('ca.crt'),
    server: read('server.crt'),
    serverKey: read('server.key'),
    client: read('client.crt'),
    clientKey: read('client.key'),
    other: read('other.crt'),
    otherKey: read('other.key'),
  }
}
