import { html } from 'hono/html'
import type { Accounting, AccountingEntry } from '#audit/accounting.ts'
import type { DoorResponse } from '#core/http.ts'

const words: Readonly<Record<string, string>> = {
  read: 'read',
  vread: 'read an earlier version of',
  'history-instance': 'read the history of',
  'search-type': 'searched',
  create: 'wrote',
  update: 'changed',
  delete: 'deleted',
  disclose: 'sent on',
  transmit: 'tried to send on',
}

const outcomes: Readonly<Record<AccountingEntry['outcome'], string>> = {
  done: 'done',
  refused: 'was refused',
  failed: 'failed',
}

/** The accounting as a page for people: no script, no style from elsewhere, nothing that is not in the JSON. */
export async function accountingPage(
  { patient, checkpoint, entries }: Accounting,
  { nextPage }: { nextPage?: string },
): Promise<DoorResponse> {
  const page = html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Who saw what</title>
<style>body{font:1rem/1.5 system-ui;margin:2rem}table{border-collapse:collapse}td,th{padding:.3rem .8rem;text-align:left;vertical-align:top;border-bottom:1px solid #ccc}pre{white-space:pre-wrap}</style></head>
<body>
<h1>Who saw what, when and why</h1>
<p>Patient: ${patient}. Newest first. Every line stands in a log that cannot be changed unseen; its proof is in the JSON form of this page.</p>
<table>
<thead><tr><th scope="col">When</th><th scope="col">Who</th><th scope="col">Did</th><th scope="col">What</th><th scope="col">Why</th><th scope="col">Outcome</th><th scope="col">Event</th></tr></thead>
<tbody>
${entries.map(line)}
</tbody>
</table>
${nextPage ? html`<p><a href="${nextPage}">Earlier</a></p>` : ''}
${checkpoint ? html`<h2>Signed state of the log</h2><pre>${checkpoint}</pre>` : html`<p>Nothing was recorded.</p>`}
</body>
</html>`
  return {
    status: 200,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    },
    body: String(await page),
  }
}

function line({
  id,
  recorded,
  who,
  role,
  through,
  action,
  what,
  why,
  outcome,
  reportedBy,
  evidence,
}: AccountingEntry) {
  const asked = [role, through && through !== who ? `through ${through}` : undefined]
    .filter(Boolean)
    .join(', ')
  return html`<tr><td><time>${recorded}</time></td><td>${who}${asked ? ` (${asked})` : ''}</td><td>${words[action] ?? action}</td><td>${what.join(', ')}</td><td>${why.join(', ')}</td><td>${outcomes[outcome]}${reportedBy ? `, reported by ${reportedBy}` : ''}</td><td>${id}, number ${evidence.index}</td></tr>
`
}
