const minute = 60_000

/** What a rule looks for in the stream of AuditEvents: all that it says must hold. */
export interface WatchRule {
  name: string
  /** Said in the alert: what happened, without whom and without what. */
  title: string
  /** Subtype codes of the events that count. */
  kinds: readonly string[]
  /** AuditEvent.outcome codes; `0` where absent. */
  outcomes?: readonly string[]
  /** Type of a resource that was touched. */
  touches?: string
  /** How outcomeDesc begins. */
  words?: string
  /** Only at these hours of the clinic's day; `from` may be later than `to`. */
  hours?: { from: number; to: number }
  /** Only when so many came from one agent or network within a time, or so many different patients were among them. */
  burst?: { by: 'agent' | 'network'; count: number; withinMs: number; distinct?: 'patient' }
  /** Only when an agent comes from a network it never came from before. Its first one is learned in silence. */
  newNetwork?: true
}

/** High-risk acts and unusual sign-ins (J20). Each is one entry; what it does not name it does not ask for. */
export const watchRules: readonly WatchRule[] = [
  {
    name: 'failed-login-burst',
    title: 'Many sign-ins were refused from one network within ten minutes',
    kinds: ['ITI-71'],
    outcomes: ['8'],
    burst: { by: 'network', count: 10, withinMs: 10 * minute },
  },
  {
    name: 'new-network',
    title: 'A system signed in from a network that it never used before',
    kinds: ['ITI-71'],
    newNetwork: true,
  },
  {
    name: 'night-bulk-read',
    title: 'One agent read the records of many patients within an hour of the night',
    kinds: ['read', 'vread', 'history-instance', 'search-type'],
    hours: { from: 22, to: 6 },
    burst: { by: 'agent', count: 50, withinMs: 60 * minute, distinct: 'patient' },
  },
  { name: 'export', title: 'Records in bulk, or the audit log, were exported', kinds: ['extract'] },
  {
    name: 'consent-change',
    title: 'A consent was made, changed or deleted',
    kinds: ['create', 'update', 'delete'],
    touches: 'Consent',
  },
  {
    name: 'client-change',
    title: 'A client was registered, changed or switched off',
    kinds: ['110129'],
    words: 'client ',
  },
  {
    name: 'signed-unseen',
    title: 'A repeat was signed although not all that came in had been seen',
    kinds: ['attest'],
    words: 'signed unseen',
  },
  { name: 'key-change', title: 'A wrapping key was added or retired', kinds: ['110129'], words: 'key ' },
]
