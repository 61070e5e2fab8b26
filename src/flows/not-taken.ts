/** Why messages of well-known types are not taken in, and what to send instead. */
const reasons: Readonly<Record<string, string>> = {
  'MDM^T01': 'A document without its content says nothing to anybody: send it with its content (MDM^T02)',
  'MDM^T05': 'An addendum without its content says nothing to anybody: send it with its content (MDM^T06)',
  'REF^I15': 'The status of a referral is asked of those who keep it',
  'RRI^I15': 'The status of a referral is asked of those who keep it',
  'SIU^S25': 'No schedule is kept here that could be asked',
}

/** What to say of a message type that no flow takes in: of MSH-9.1 and MSH-9.2. */
export function notTakenReason(type: string, trigger: string): string {
  return reasons[`${type}^${trigger}`] ?? 'This message type is not taken in here'
}
